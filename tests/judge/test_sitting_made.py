from hil.scenario import Scenario
def test_it(sitting):
    s = sitting(Scenario(slot=1))
    p = s.of("j179-1", 1)
    print(p, p.csr, s.strays)
    assert p.enrolled
