"""A program that watches a room and prints a line for each synthesised frame.

python -m support.receiving TARGET ROOM TOKEN REPOSITORY THREADS

A line has the frame's index, its origin, and the SHA-256 of its pixels and keypoints.
"""

import hashlib
import sys

from motioncast.client import ReceiverModels, connect_sync


def main() -> None:
    """Watches until the room ends; prints the reason."""
    target, room, token, repository, threads = sys.argv[1:]
    with connect_sync(target) as service, service.watch(room, token) as watching:
        models = ReceiverModels.of(repository, watching.opening.model, threads=int(threads))
        print("watches", flush=True)
        for frame in watching.frames(models):
            digest = hashlib.sha256(frame.image.tobytes() + frame.keypoints.tobytes())
            print(frame.index, frame.origin, digest.hexdigest(), flush=True)
        print(watching.ending)


if __name__ == "__main__":
    main()
