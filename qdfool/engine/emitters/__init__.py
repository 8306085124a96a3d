"""Emitters: what breeds the next batch of children. One file each; `Emitter` says what each is made of."""
