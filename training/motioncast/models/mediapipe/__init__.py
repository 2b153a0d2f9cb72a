"""Networks of Google's MediaPipe (Apache-2.0), rebuilt in PyTorch, with their weights converted.

mesh.py         478 points on a face in a crop of it       face_landmark_with_attention.tflite
near_finder.py  the one face that fills much of an image   face_detection_short_range.tflite
finder.py       the faces in a picture                     face_detection_full_range_sparse.tflite
matte.py        which pixels of a picture are of a person  selfie_segmentation.tflite
conversion.py   TFLite files -> weights, read by tflite.py and kept by weights.py
"""
