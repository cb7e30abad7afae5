"""Video as cameras encode it: taken in without decoding, cut into chunks, decoded, and made into clips.

The only package that knows PyAV (FFmpeg). A camera's own bits travel; only detectors decode them.
"""
