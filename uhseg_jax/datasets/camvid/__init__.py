"""CamVid: street scenes of 11 classes."""
