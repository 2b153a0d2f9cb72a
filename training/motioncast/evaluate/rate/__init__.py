"""Rate against quality: the keypoint stream and video codecs, same frames, same metrics.

ours       the ways of sending keypoints                 -> streams
videocodecs x264, x265, AV1, VP9 in real time            -> streams
stream     packets, the first picture, frames shown      -> kbit/s, three kinds
measuring  a stream's frames                             -> quality figures
summary    clips                                         -> lines and curves
bjontegaard curves                                       -> differences, rates needed
page, plots                                              -> the report
command    motioncast evaluate rate
"""
