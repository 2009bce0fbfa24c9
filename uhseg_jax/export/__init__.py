"""What people take away: COCO, PNG, overlays and the HTML viewer."""
