"""The ruler: how good a result is, measured alike by reports, bench, rivals and evaluation.

    pixels     MSE, PSNR, SSIM and MS-SSIM of frames against the true ones
    temporal   whether a video moves as the original does: no frozen or dropped frame pleases it
    fidelity   VIF: how much of what there was to see is left
    sharpness  how much detail there is, right or wrong
    flicker    how much changes where the original stands still
    boxes      where mouth, eyes and face of a talking head are, without landmarks
    agreement  correlation and amplitude of the motion of keypoints, or of a mouth's opening
    expression how far mouth and lids are open, from anchored keypoints

numpy alone, and nothing above it.
"""
