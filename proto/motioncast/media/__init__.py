"""Media in files: the one place that opens videos and stills, and writes videos.

    container    a file, and which of its tracks is the video
    clock        frames by their timestamps, on a steady rate
    colour       decoded frames as RGB; `tone`: HDR; `orientation`: turned and mirrored
    stills       photographs: `grey` of any depth, `heif`; `animation`: pictures that move
    primaries    colours given by numbers, as a profile; `png_colours`: where a PNG has them
    decoding     frames as a file has them
    complete     whether a file is a part: `raw_ends`, `last_picture`; `unread`: what is none
    reading      all of that, as `read_video`
    writing      videos, with their `sound`; `unfinished`: whole or not at all
    marking      what a file says of how it was made, by `motioncast.provenance`

numpy, Pillow and PyAV alone. Pictures are (H, W, 3) uint8 RGB.
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
