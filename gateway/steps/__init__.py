"""The river: one file a verb, one public function a file. Steps meet only in rows; gateway/worker.py runs what is due."""
