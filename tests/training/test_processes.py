"""Several processes without a GPU."""

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from torch import nn

from hrnet_mm.training.processes import DistributedWithoutGPUs


@pytest.fixture
def one_process() -> None:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_sync_bn_is_made_bn_with_the_same_parameters(one_process: None) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.SyncBatchNorm(4))
    parameters = {name: id(value) for name, value in net.named_parameters()}
    options = dict(device_ids=None, broadcast_buffers=False)
    with pytest.raises(ValueError, match='SyncBatchNorm'):
        MMDistributedDataParallel(net, **options)(torch.rand(2, 3, 8, 8))
    model = DistributedWithoutGPUs(net, **options)
    x = torch.rand(2, 3, 8, 8)
    model(x).sum().backward()
    assert {name: id(value) for name, value in model.module.named_parameters()} == parameters
    assert all(value.grad is not None for value in model.parameters())
