"""What a stage found, drawn on frames: outlines, previews, stored overlays."""
