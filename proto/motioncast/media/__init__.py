"""Media in files: the only package that opens videos and stills, and writes videos.

    container    opens a file and selects its video track
    clock        frames by their timestamps, on a steady rate
    colour       decoded frames as RGB; `tone`: HDR; `orientation`: turned and mirrored
    stills       photographs: `grey` of any depth, `heif`; `animation`: animated pictures
    primaries    colours given by numbers, as a profile; `png_colours`: those of a PNG
    decoding     frames as stored in a file
    complete     whether a file is cut off: `raw_ends`, `last_picture`; `unread`: unreadable files
    reading      all of the above, as `read_video`
    writing      videos, with their `sound`; `unfinished`: atomic writes
    marking      how a file says it was made, by `motioncast.provenance`

Needs only numpy, Pillow and PyAV. Pictures are (H, W, 3) uint8 RGB.
"""

from motioncast.media.colour import BACKGROUND
from motioncast.media.errors import MediaError, MotioncastError
from motioncast.media.marking import Marks, read_marks, write_png
from motioncast.media.names import File, existing, shown
from motioncast.media.reading import Video, read_video
from motioncast.media.sound import Sound, open_sound
from motioncast.media.stills import MAX_STILL_PIXELS, read_image, read_whole_image
from motioncast.media.unfinished import unfinished_file, unfinished_folder
from motioncast.media.writing import VideoWriter, write_video

__all__ = [
    "BACKGROUND",
    "MAX_STILL_PIXELS",
    "File",
    "Marks",
    "MediaError",
    "MotioncastError",
    "Sound",
    "Video",
    "VideoWriter",
    "existing",
    "open_sound",
    "read_image",
    "read_marks",
    "read_video",
    "read_whole_image",
    "shown",
    "unfinished_file",
    "unfinished_folder",
    "write_png",
    "write_video",
]
