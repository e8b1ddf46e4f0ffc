"""Who started the processes of a run, and which of them writes."""

import pytest

from asteroid_instglow.training.checkpoints import locked
from asteroid_instglow.training.launch import environment, is_first, write_once
from asteroid_instglow.training.options import EncoderOptions
from asteroid_instglow.training.pace import steps_that_fit

LAUNCHERS = {
    "SLURMEnvironment": {
        **{"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NAME": "x"},
        **{"node": "SLURM_NODEID", "local": "SLURM_LOCALID"},
    },
    "TorchElasticEnvironment": {
        **{"TORCHELASTIC_RUN_ID": "1", "node": "GROUP_RANK", "local": "LOCAL_RANK"}
    },
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_first_process_of_the_first_machine_writes(monkeypatch, tmp_path, launcher):
    settings = dict(LAUNCHERS[launcher])
    node, local = settings.pop("node"), settings.pop("local")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    options = EncoderOptions(devices=2, num_nodes=2, batch_size=8)
    written = []
    for ranks in ((0, 0), (0, 1), (1, 0)):
        monkeypatch.setenv(node, str(ranks[0]))
        monkeypatch.setenv(local, str(ranks[1]))
        assert type(environment(options)).__name__ == launcher
        assert is_first(options) == (ranks == (0, 0))
        write_once(options, lambda ranks=ranks: written.append(ranks))
        # Programs that share nothing but the job are runs of their own.
        assert environment(EncoderOptions()) is None and is_first(EncoderOptions())
    assert written == [(0, 0)]
    with pytest.raises(ValueError, match="minutes must be None"):
        steps_that_fit(EncoderOptions(num_nodes=2, minutes=1), tmp_path, lambda: None, 0.0)


def test_several_machines_need_a_launcher():
    with pytest.raises(ValueError, match="num_nodes must be 1 unless SLURM or torchrun .* got 2"):
        environment(EncoderOptions(num_nodes=2))


def test_only_the_first_process_locks(tmp_path):
    with locked(tmp_path), locked(tmp_path, is_first=False):
        with pytest.raises(ValueError, match="another training is running"):
            locked(tmp_path).__enter__()


def test_a_batch_is_shared_by_all_processes():
    assert EncoderOptions(devices=2, num_nodes=2, batch_size=8).n_processes == 4
    with pytest.raises(ValueError, match="multiple of devices x num_nodes = 4, got 6"):
        EncoderOptions(devices=2, num_nodes=2, batch_size=6)
