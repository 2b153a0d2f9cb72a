"""The timeline that both ends of a session share; needs only numpy and no other package here.

    pattern   M observed frames, then N predicted ones: the frames the sender intends to supply
    origin    OBSERVED, PREDICTED or CONCEALED: where a frame's keypoints come from
    due       which frames are due when, derived from the indices that arrive
    motion    relative motion: a source moves as the driving video does
    unseen    what a predictor has to see, and when, for a stretch without gaps
    interpolation   frames between two known ones, for a receiver that waits
    ranges    the valid values of keypoints

Services, SDK, training and evaluation import these modules, so the rules are written only once.
"""
