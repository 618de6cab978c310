"""The composition root: the only place that picks implementations from settings."""

from qingting.bootstrap.planning import lines_of_business, open_versions, plans
from qingting.bootstrap.recordings import PREPARE, audio_options, open_first_look, open_inspector, open_reader
from qingting.bootstrap.reports import case_library, contact_history, reviewed_speech, sentence_vectors
from qingting.bootstrap.speech import engine_sections, model_folder, open_aligner, open_engine, open_local_model

__all__ = [
    "PREPARE",
    "audio_options",
    "case_library",
    "contact_history",
    "engine_sections",
    "lines_of_business",
    "model_folder",
    "open_aligner",
    "open_engine",
    "open_first_look",
    "open_inspector",
    "open_local_model",
    "open_reader",
    "open_versions",
    "plans",
    "reviewed_speech",
    "sentence_vectors",
]
