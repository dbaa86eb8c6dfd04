"""Tell people: which alerts, whom, how often; through sinks that may fail without stopping anything.

alerting = Alerting(rules.alerts, built(rules.alerts), record=…)
alerting.ticked(report)        a whole tick: its alerts, what nobody has seen to, the heartbeat
alerting.tell(alert)           one alert
try_out(sinks)                 what `guard test-alert` does: by sink `sent`, or why not
"""

from defilev.guard.alerting.building import built, built_heartbeat
from defilev.guard.alerting.delivering import try_out
from defilev.guard.alerting.telling import Alerting

__all__ = ["Alerting", "built", "built_heartbeat", "try_out"]
