"""Quality measures, the same for reports, bench, rivals and evaluation.

    pixels     MSE, PSNR, SSIM and MS-SSIM of frames against the original ones
    temporal   whether a video moves as the original does: penalises frozen and dropped frames
    fidelity   VIF: how much of the visible information remains
    sharpness  how much detail there is, right or wrong
    flicker    how much changes where the original is still
    boxes      where mouth, eyes and face of a talking head are, without landmarks
    agreement  correlation and amplitude of the motion of keypoints, or of a mouth's opening
    expression how far mouth and lids are open, from anchored keypoints

Needs only numpy, and no other package here.
"""
