"""Will it be liquidated, when, and at what cost: first passage of the health factor through 1.

Three families of answers, and every one says which it is: lognormal (closed forms), jumps (semi-closed), and calibrated
(from how far prices really fell), which is the one that decisions use.
"""

from defilev.risk.first_passage.calibrated import (
    calibrated_health_factor_for_probability,
    calibrated_liquidation_probability,
    multiplier,
)
from defilev.risk.first_passage.double_barrier import double_barrier_exit_probability
from defilev.risk.first_passage.jumps import (
    DEFAULT_JUMPS,
    KouJumps,
    diffusion_drift,
    diffusion_volatility,
    jump_health_factor_for_probability,
    jump_liquidation_probability,
    jump_variance,
    jumps_for_volatility,
)
from defilev.risk.first_passage.log_equity import expected_log_equity
from defilev.risk.first_passage.lognormal import (
    MONITORING_SHIFT,
    discretely_monitored_health_factor,
    health_factor_for_probability,
    liquidation_probability,
)
from defilev.risk.first_passage.loss import (
    LiquidationOutcome,
    LiquidationTerms,
    expected_liquidation_loss,
    liquidation_outcome,
)
from defilev.risk.first_passage.times import (
    discount_factor_at_liquidation,
    eventual_liquidation_probability,
    interest_only_years,
    liquidation_density,
    mean_years_to_liquidation,
    median_years_to_liquidation,
)

__all__ = [
    "DEFAULT_JUMPS",
    "MONITORING_SHIFT",
    "KouJumps",
    "LiquidationOutcome",
    "LiquidationTerms",
    "calibrated_health_factor_for_probability",
    "calibrated_liquidation_probability",
    "diffusion_drift",
    "diffusion_volatility",
    "discount_factor_at_liquidation",
    "discretely_monitored_health_factor",
    "double_barrier_exit_probability",
    "eventual_liquidation_probability",
    "expected_liquidation_loss",
    "expected_log_equity",
    "health_factor_for_probability",
    "interest_only_years",
    "jump_health_factor_for_probability",
    "jump_liquidation_probability",
    "jump_variance",
    "jumps_for_volatility",
    "liquidation_density",
    "liquidation_outcome",
    "liquidation_probability",
    "mean_years_to_liquidation",
    "median_years_to_liquidation",
    "multiplier",
]
