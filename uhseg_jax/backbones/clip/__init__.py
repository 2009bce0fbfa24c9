"""The text side of CLIP, and what it makes of images and labels together."""
