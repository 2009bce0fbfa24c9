"""From patch labels to pixel labels: upsampling, PAMR, dense CRF."""
