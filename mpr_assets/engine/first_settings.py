"""The settings that each stage had when hashes began to leave out defaults. A record: nothing is added to it.

Their values are in every hash, defaults too, so that what was stored before keeps its fingerprint, the folders that are
named by it and the observed versions of its settings. How it is used: `mpr_assets.engine.versions`. Names are those of
that time.
"""

from __future__ import annotations

_NAMES = {
    "timeline": "enabled",
    "extract_frames": "allow_damage decoder_threads enabled fps jpeg_quality max_height_px",
    "filter_scenes": """
        block_change_max block_contrast_share block_px detector enabled max_stand_in_ms phash_max_distance
        shot_threshold
    """,
    "field_segmentation": "enabled hue_high hue_low min_area_ratio morph_kernel sat_high sat_low val_high val_low",
    "detect_edges": """
        edge_canny_high edge_canny_low edge_hough_max_gap edge_hough_min_length edge_hough_threshold
        edge_max_slope_deg edge_pair_max_distance edge_pair_min_distance enabled
    """,
    "detect_objects": """
        clip_batch clip_boards clip_brands clip_likeness clip_model clip_other clip_prompt clip_threshold enabled
        engines logo_features logo_min_side_px logo_threshold logo_working_side_px object_batch object_overlap
        object_side_px object_threshold onnx_model yolo_model
    """,
    "preprocess": """
        enabled max_change max_crops max_gap_frames max_phash_distance max_scale min_height_px plain_gradient sharpen
        straighten
    """,
    "run_ocr": """
        enabled engine extend extend_times find_enlarge_max find_side_max_px find_side_min_px follow_similarity
        heat_threshold line_threshold min_confidence paddle_finder paddle_reader quick_share quick_side_min_px
        read_crops space_threshold thorough_every threads unclip_ratio warm_threshold
    """,
    "match_brands": """
        edit_share enabled exact_letters join_below_heights join_beside_heights join_height_ratio match_addresses
        max_joined_lines min_confidence min_confidence_short min_object_confidence one_edit_letters sure_confidence
    """,
    "escalate_vlm": """
        batch choose context deadline_s enabled exclude known_texts margin max_candidates max_change
        max_phash_distance max_tokens min_confidence min_frames min_height_px min_sharpness min_width_px model reasons
        same_text session_confidence side_max_px skip_text
    """,
    "escalate_cloud": """
        attempts context_pictures crops_per_request enabled exclude known_texts longest_wait_s margin max_candidates
        max_change max_output_tokens max_phash_distance max_requests_day max_requests_run max_requests_timeline
        max_usd_day max_usd_run max_usd_timeline min_confidence min_frames min_height_px min_sharpness min_width_px
        models next_below prices reasons requests_in_flight requests_per_minute same_text session_confidence skip_text
        timeout_s
    """,
    "compile_report": """
        enabled evidence_per_brand max_gap_ms min_confidence min_detections min_exposure_ms page_mb
    """,
}

FIRST_SETTINGS = {stage: frozenset(names.split()) for stage, names in _NAMES.items()}
"""By stage."""
