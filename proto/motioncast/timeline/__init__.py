"""The timeline, the idea that both ends of a session share: numpy alone, and no room above it.

    pattern   M observed frames, then N predicted ones: what the sender means to supply
    origin    OBSERVED, PREDICTED or CONCEALED: where a frame's keypoints come from
    due       which frames are due when, from the indices that arrive
    motion    relative motion: a source moves as the driving video does
    unseen    what a predictor has to see, and when, so that a stretch has no gaps
    interpolation   frames between two known ones, for a receiver that waits
    ranges    what values keypoints may have

Services, SDK, training and evaluation import these modules, so that the rules are written once.
"""
