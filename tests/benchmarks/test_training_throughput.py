"""Training throughput: whole steps on both numbers of devices, in turns, compiled before they are timed."""

import json

import jax.monitoring
import pytest
from compilation import quick_compilation

from benchmarks.training import CONFIGS, DEVICES, Throughput, main, measure


@pytest.mark.slow
def test_device_counts_take_turns_and_only_the_first_step_compiles():
    order, compiled = [], []

    def heard(event, duration_secs, **_):
        if event.endswith("backend_compile_duration"):
            compiled.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(heard)
    real = Throughput.run

    def run(self, steps):
        before = len(compiled)
        real(self, steps)
        order.append((self, len(compiled) - before))

    with quick_compilation(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Throughput, "run", run)
        found = measure(CONFIGS["dense-vae"], steps=2, repeats=2)
    assert compiled, "what is listened to is never said"
    assert tuple(found) == DEVICES
    assert order == [(found[devices], 0) for devices in (*DEVICES, *DEVICES)]
    assert all(len(one.rates) == 2 for one in found.values())


def test_an_unknown_name_is_told(capsys):
    with pytest.raises(SystemExit):
        main(["dense"])
    assert "there is no 'dense'; choose from dense-vae" in capsys.readouterr().err


def test_every_configuration_can_be_written_down():
    assert json.loads(json.dumps({name: config.to_dict() for name, config in CONFIGS.items()}))
