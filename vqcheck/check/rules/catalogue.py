"""All rules, in the order in which they are judged."""
from typing import Dict, Tuple

from ..rule import STAGES, Rule
from . import (
    above,
    backend,
    blockers,
    corruption,
    corruption_of_one_side,
    held_up,
    identity,
    impossible,
    in_order,
    interrupts_not_delivered,
    interrupts_not_sent,
    interrupts_not_taken,
    interrupts_on_ccw,
    kicks,
    lost_interrupt,
    lost_kick,
    machine,
    nobodys,
    skew,
    vhost,
)

RULES: Tuple[Rule, ...] = tuple(sorted((
    *machine.RULES, *blockers.RULES, *identity.RULES, impossible.IMPOSSIBLE, *corruption_of_one_side.RULES,
    *corruption.RULES, skew.RULE,
    *vhost.RULES,
    *interrupts_not_taken.RULES, *interrupts_not_delivered.RULES, *interrupts_on_ccw.RULES,
    *interrupts_not_sent.RULES, lost_interrupt.RULE,
    *in_order.RULES, *nobodys.RULES, *backend.RULES, held_up.RULE, *kicks.RULES, lost_kick.RULE, *above.RULES,
), key=lambda rule: STAGES.index(rule.stage)))
"""Within a stage what is special comes before what is general."""

BY_NAME: Dict[str, Rule] = {name: rule for rule in RULES for name in (rule.id, rule.slug)}
"""Rules by id and by slug."""
