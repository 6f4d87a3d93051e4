"""The river: one file a verb, one public function a file. Steps meet only in rows; the worker runs what is due."""
