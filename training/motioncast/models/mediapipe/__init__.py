"""Networks of Google's MediaPipe (Apache-2.0), rebuilt in PyTorch, with converted weights.

mesh.py         478 points on a face in a crop             face_landmark_with_attention.tflite
near_finder.py  the one face that fills much of an image   face_detection_short_range.tflite
finder.py       the faces in a picture                     face_detection_full_range_sparse.tflite
matte.py        which pixels belong to a person            selfie_segmentation.tflite
conversion.py   TFLite files -> weights, using tflite.py to read and weights.py to store them
"""
