"""All peers by their names, in the order of the table; none of their packages is imported by it."""

from benchmarks.peers import attacks, own, torch_loop, with_deap, with_pyribs, with_qdax
from benchmarks.peers.search import Peer

PEERS: dict[str, Peer] = {
    **own.PEERS,
    **torch_loop.PEERS,
    **with_qdax.PEERS,
    **with_pyribs.PEERS,
    **with_deap.PEERS,
    **attacks.PEERS,
}
