"""What a snapshot says against itself is part of the verdict."""
from tests.builders import incident
from vqcheck.check.judge import judge
from vqcheck.render.report import verdict_text


def warned(snapshot, *warnings):
    return snapshot._replace(capture=snapshot.capture._replace(warnings=list(warnings)))


def test_warnings_of_both_sides_come_first():
    guest, host = incident()
    plain = judge(guest, host)
    verdict = judge(warned(guest, "made by force"), warned(host, "one", "two"))
    assert verdict.reasons[:3] == ["the guest's snapshot carries a warning: made by force",
                                   "the host's snapshot carries a warning: one",
                                   "the host's snapshot carries a warning: two"]
    assert (verdict.status, verdict.reasons[3:]) == (plain.status, plain.reasons)
    assert "made by force" in verdict_text.show(verdict) and "carries a warning" not in verdict_text.show(plain)
