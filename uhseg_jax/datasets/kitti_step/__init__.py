"""KITTI-STEP: street videos."""
