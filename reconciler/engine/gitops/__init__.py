"""What Sources declare becomes what is desired: `sync` is one look, from `documents` through checks to its `outcome`.

Who `brought` what is a mark on each document. `preview` is a look that keeps nothing, `by_hand` many until it stands.
"""
