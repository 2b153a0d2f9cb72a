"""Rate against quality: the keypoint stream beside video codecs, same frames, same ruler.

ours       the ways of sending keypoints                 -> streams
videocodecs x264, x265, AV1, VP9 in real time            -> streams
stream     packets, the first picture, frames shown      -> kbit/s, thrice
measuring  a stream's frames                             -> figures of the ruler
summary    clips                                         -> lines and curves
bjontegaard curves                                       -> differences, rates needed
page, plots                                              -> what is read
command    motioncast evaluate rate
"""
