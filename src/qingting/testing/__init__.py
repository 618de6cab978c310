"""The kit for authors of analyzers and engines: sample calls, a scripted engine, contract checks."""

from __future__ import annotations

from qingting.testing.analyzer_check import check_analyzer, check_declaration
from qingting.testing.call_script import CallScript, ExpectedFinding, RuleRemark, ScriptTurn
from qingting.testing.edge_calls import EdgeCall, edge_calls
from qingting.testing.engine_check import check_engine
from qingting.testing.made_up_voice import with_made_up_voice
from qingting.testing.replay import CallReplay, findings_afterwards
from qingting.testing.samples import SampleCall, sample_call, sample_calls, sample_folder
from qingting.testing.scripted_engine import ScriptedEngine, answers_for_spans
from qingting.testing.scripts import load_script

__all__ = [
    "CallReplay",
    "CallScript",
    "EdgeCall",
    "ExpectedFinding",
    "RuleRemark",
    "SampleCall",
    "ScriptTurn",
    "ScriptedEngine",
    "answers_for_spans",
    "check_analyzer",
    "check_declaration",
    "check_engine",
    "edge_calls",
    "findings_afterwards",
    "load_script",
    "sample_call",
    "sample_calls",
    "sample_folder",
    "with_made_up_voice",
]
