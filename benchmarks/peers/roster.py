"""All peers by their names, in the order of the table; none of their packages is imported by it."""

from benchmarks.peers import attacks, deap, own, pyribs, qdax, torch_loop
from benchmarks.peers.search import Peer

PEERS: dict[str, Peer] = {
    **own.PEERS,
    **torch_loop.PEERS,
    **qdax.PEERS,
    **pyribs.PEERS,
    **deap.PEERS,
    **attacks.PEERS,
}
