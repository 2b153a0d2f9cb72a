"""Dependencies are pinned by hash and third-party images by digest; registries are queried."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[3]
DIGEST: Final = "sha256:" + "4f" * 32


def program(path: str) -> ModuleType:
    spec = spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_release_that_is_fixed_has_hashes() -> None:
    command = [sys.executable, str(ROOT / ".ci/lock.py"), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_release_without_hash_or_of_another_version_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock: Any = program(".ci/lock.py")
    monkeypatch.setattr(lock, "FOLDER", tmp_path)
    for name in lock.sets():
        text = (ROOT / "requirements" / name).read_text("utf-8")
        (tmp_path / name).write_text(text, "utf-8")
    assert list(lock.problems()) == []
    image = tmp_path / "image.txt"
    text = re.sub(r"^numpy==\S+ \\", r"numpy==1.0 \\", image.read_text("utf-8"), flags=re.MULTILINE)
    image.write_text(re.sub(r"(pillow==\S+) \\\n(    --hash.*\n)+", r"\1\n", text), "utf-8")
    assert [one.partition(":")[2] for one in lock.problems()] == [
        " numpy 1.0 differs from constraints.txt: make lock",
        " pillow has no hash: make lock",
    ]


def test_the_image_fetches_nothing_without_a_hash() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    pip = re.compile(r"(?<!cache/)pip (install|wheel|check)")
    installs = [one for line in lines for one in line.split("&&") if pip.search(one)]
    assert len(installs) == 5
    for one in installs:
        offline = "--no-index" in one or "--no-build-isolation" in one or "pip check" in one
        assert offline or "--require-hashes" in one, one


def test_images_of_others_are_fixed_by_digest() -> None:
    pins: Any = program("deploy/pin_images.py")
    named = [
        (found["name"], found["digest"])
        for file in pins.files()
        for found in pins.IMAGE.finditer(file.read_text("utf-8"))
    ]
    without = {name for name, digest in named if digest is None}
    assert {name for name, _ in named} >= {"python", "prom/prometheus", "grafana/grafana"}
    # Triton's digest could not be looked up when this was written: make pin-images.
    assert {name.rpartition("/")[2] for name in without} <= {"motioncast", "tritonserver"}


@pytest.mark.parametrize(
    ("name", "registry", "repository"),
    [
        ("python", "registry-1.docker.io", "library/python"),
        ("prom/prometheus", "registry-1.docker.io", "prom/prometheus"),
        ("docker.io/prom/prometheus", "registry-1.docker.io", "prom/prometheus"),
        ("nvcr.io/nvidia/tritonserver", "nvcr.io", "nvidia/tritonserver"),
        ("localhost:5000/a/b", "localhost:5000", "a/b"),
    ],
)
def test_names_mean_what_they_mean_to_docker(name: str, registry: str, repository: str) -> None:
    assert program("deploy/pin_images.py").registry_of(name) == (registry, repository)


class Registry(BaseHTTPRequestHandler):
    """A registry with one tag that requires an anonymous token (OCI distribution, 1.1)."""

    def do_HEAD(self) -> None:
        host = self.headers["Host"]
        if self.headers.get("Authorization") != "Bearer open":
            self._answer(
                401,
                {
                    "WWW-Authenticate": f'Bearer realm="http://{host}/token",service="r",'
                    'scope="repository:team/tool:pull"'
                },
            )
        elif self.path == "/v2/team/tool/manifests/v1":
            assert "application/vnd.oci.image.index.v1+json" in self.headers["Accept"]
            self._answer(200, {"Docker-Content-Digest": DIGEST})
        else:
            self._answer(404, {})

    def do_GET(self) -> None:
        assert self.path == "/token?service=r&scope=repository%3Ateam%2Ftool%3Apull"
        self._answer(200, {}, b'{"token": "open"}')

    def _answer(self, code: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Silences the log."""


@contextmanager
def registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_tag_is_pinned_by_what_its_registry_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pins: Any = program("deploy/pin_images.py")
    with registry() as host:
        file = tmp_path / "compose.yaml"
        file.write_text(f"image: motioncast\n    image: {host}/team/tool:v1 # a tool\n", "utf-8")
        monkeypatch.setattr(pins, "files", lambda: iter([file]))
        with pytest.raises(SystemExit) as ended:
            pins.main(check=True)
        assert ended.value.code == 1
        assert f"tool:v1 is {DIGEST}" in capsys.readouterr().out
        pins.main(check=False)
        expected = f"image: motioncast\n    image: {host}/team/tool:v1@{DIGEST} # a tool\n"
        assert file.read_text("utf-8") == expected
        pins.main(check=True)  # nothing is left to do
        file.write_text(f"image: {host}/team/tool:v2\n", "utf-8")
        with pytest.raises(SystemExit, match="404"):
            pins.main(check=False)
