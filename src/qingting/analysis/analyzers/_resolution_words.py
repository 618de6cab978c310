"""What an utterance says about a solution: states a problem, confirms, accepts, objects."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._emotion_words import is_firm
from qingting.analysis.analyzers._resolution_problem import Step, sentence_of, step_of, whole
from qingting.analysis.analyzers._solutions import solution_phrases
from qingting.analysis.dialogue import (
    ANSWER_CHARACTERS,
    BARE_QUESTION_CHARACTERS,
    dialogue_phrases,
    has_problem,
    left_over,
    wish_of,
)
from qingting.analysis.intents import intents
from qingting.analysis.lexicon import groups, lexicon
from qingting.analysis.text import not_inside
from qingting.analysis.usage import meant

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit

_PROBLEM_GROUPS = ("delivery", "goods", "money", "account", "service")
_MORE_GROUPS = ("network", "payment", "visit", "papers")
_DEMAND_GROUPS = ("refund", "exchange", "escalation")
_BARE_CONFIRMATION = 4
"""Phrases up to this length (可以吗) ask for a yes only at the end of a sentence that offers something."""
_NOT_ABOUT_A_SOLUTION = (
    "现在方便",
    "方便接",
    "是本人",
    "听得清",
    "听得到",
    "核对",
    "提供",
    "报一下",
    "号码",
    "单号",
    "稍等",
    "等一下",
)
_WORKS_ALONE = frozenset(("好了吗", "好了没有", "可以了吗", "行了吗"))
"""These ask whether it works now; after a verb they ask what the customer did (卡插好了没有)."""
_NOW = ("", "现在", "这下", "问题", "都", "现在都", "这会儿", "现在是不是", "是不是", "您看", "您看看", "那现在")
_NO_ACCEPTANCE = ("object_still", "object_reject", "object_give_up", "accept_weak")
"""那好 within 那好吧 is no more than that."""
_SHORT = 12
"""A mere echo is an utterance this short."""
_LEAD = 2
"""A yes to a question stands at the beginning: at most 嗯，那 before it."""


@cache
def resolution_phrases() -> dict[str, tuple[str, ...]]:
    """Return the phrases these functions need, by label."""
    found = {**dialogue_phrases(), **solution_phrases()}
    for names, lists in (
        (_PROBLEM_GROUPS, groups("customer_problem")),
        (_MORE_GROUPS, groups("resolution_problem")),
        (_DEMAND_GROUPS, groups("customer_demand")),
    ):
        found.update({f"about_{group}": lists[group] for group in names})
    for prefix, name in (
        ("confirm", "solution_confirm"),
        ("accept", "customer_acceptance"),
        ("object", "customer_rejection"),
    ):
        found.update({f"{prefix}_{group}": phrases for group, phrases in groups(name).items()})
    found["another"] = lexicon("new_problem")
    found["again"] = lexicon("repeat_contact")
    found["matter"] = tuple(dict.fromkeys(words for one in intents() for words in (*one.phrases, *one.patterns)))
    return found


def states_problem(facts: UtteranceFacts) -> bool:
    """Whether the customer says what is wrong or wanted; a bare 我想问一下 is not enough."""
    if left_over(facts, "presence", "backchannel", "courtesy") < BARE_QUESTION_CHARACTERS:
        return False
    return has_problem(facts) or bool(reason_of(facts))


def names_matter(facts: UtteranceFacts) -> bool:
    """Whether the customer says what the call is about, by the words of the contact reasons."""
    return bool(meant(facts.text, facts.hits("matter")))


def reason_of(facts: UtteranceFacts) -> str:
    """Return the group of the first words that say what is wrong or demanded; empty without any."""
    found = [
        (hit.normal_start, order, group)
        for order, group in enumerate((*_PROBLEM_GROUPS, *_MORE_GROUPS, *_DEMAND_GROUPS))
        for hit in meant(facts.text, facts.hits(f"about_{group}"))
    ]
    return min(found)[2] if found else ""


def statement_of(facts: UtteranceFacts) -> Step:
    """Return the words that state the problem."""
    for label in ("problem", *(f"about_{group}" for group in _MORE_GROUPS), "demand"):
        hits = meant(facts.text, facts.hits(label))
        if hits:
            return sentence_of(facts, hits[0])
    wish = wish_of(facts)
    if wish is not None:
        return sentence_of(facts, wish)
    matter = meant(facts.text, facts.hits("matter"))
    return sentence_of(facts, matter[0]) if matter else whole(facts)


def confirmation_of(facts: UtteranceFacts) -> Step | None:
    """Return the agent's question whether the solution is right; the last one of the utterance."""
    for hit in reversed((*facts.hits("confirm_agree"), *facts.hits("confirm_works"))):
        step = step_of(facts, hit)
        rest = facts.text.text[hit.normal_end : hit.normal_end + 1]
        if hit.phrase in _WORKS_ALONE and _before(facts, hit) not in _NOW:
            continue
        bare = len(hit.phrase) <= _BARE_CONFIRMATION
        sentence = facts.text.text[: hit.normal_end]
        if bare and (rest or any(word in sentence[-16:] for word in _NOT_ABOUT_A_SOLUTION)):
            continue
        if not _inside_further_help(facts, hit.normal_start):
            return step
    return None


def _before(facts: UtteranceFacts, hit: Hit) -> str:
    """Return the normalised words of a hit's clause before it."""
    first, _ = facts.text.forth(facts.text.clause_at(hit.start_char)[0], hit.start_char)
    return facts.text.text[first : hit.normal_start]


def only_confirms(facts: UtteranceFacts) -> bool:
    """Whether an agent's utterance says nothing beside the question for consent."""
    return left_over(facts, "confirm_agree", "confirm_works", "backchannel", "empathy", "courtesy") < ANSWER_CHARACTERS


def _inside_further_help(facts: UtteranceFacts, place: int) -> bool:
    return any(hit.normal_start <= place < hit.normal_end for hit in facts.hits("further_help"))


def objection_of(facts: UtteranceFacts) -> tuple[Step, str] | None:
    """Return the customer's no and its kind; the weightiest kind wins."""
    for kind in ("still", "reject", "give_up", "consider"):
        for hit in meant_objections(facts, kind):
            return sentence_of(facts, hit), kind
    return None


def meant_objections(facts: UtteranceFacts, kind: str) -> list[Hit]:
    """Hits of a kind of objection that are no question, no supposition and not softened away."""
    hits = facts.hits(f"object_{kind}")
    return [hit for hit in meant(facts.text, hits) if is_firm(facts, hit)]


def acceptance_of(facts: UtteranceFacts, *, asked: bool) -> Step | None:
    """Return the customer's yes: any when the agent has asked to confirm, else an explicit one."""
    text = facts.text
    turned = facts.hits("object_but")
    explicit = not_inside(
        meant(text, (*facts.hits("accept_works"), *facts.hits("accept_explicit"))),
        [hit for label in _NO_ACCEPTANCE for hit in facts.hits(label)],
    )
    # 可以，那我放心了。要收钱吗？ accepts before it asks.
    stated = [hit for hit in explicit if not _is_question(facts, hit)]
    if turned:
        return None
    if stated:
        return step_of(facts, stated[0])
    weak = meant(text, facts.hits("accept_weak"))
    said = asked and weak and weak[0].normal_start <= _LEAD and not _is_question(facts, weak[0])
    return step_of(facts, weak[0]) if said else None


def thanks_of(facts: UtteranceFacts) -> Step | None:
    """Return the customer's thanks, when the utterance is nothing but consent and thanks."""
    hits = facts.hits("accept_thanks")
    if not hits or left_over(facts, "accept_thanks", "accept_weak", "accept_explicit", "backchannel", "farewell") > 1:
        return None
    return step_of(facts, hits[0])


def echo_of(facts: UtteranceFacts) -> Step | None:
    """Return a mere 好的 or 知道了."""
    hits = facts.hits("accept_weak")
    return step_of(facts, hits[0]) if hits and len(facts.text.text) <= _SHORT else None


def _is_question(facts: UtteranceFacts, hit: Hit) -> bool:
    """Whether the sentence of a hit asks."""
    text = facts.utterance.text
    end = next((last for first, last in facts.text.sentences if first <= hit.start_char < last), len(text))
    sentence = text[:end].rstrip("。！!，, ")
    return sentence.endswith(("？", "?", "吗", "呢")) or text[end : end + 1] in ("？", "?")
