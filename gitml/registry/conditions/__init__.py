"""Conditions over metrics, as policies write them: ``metrics.auc >= current - 0.005``.

    condition   or     = and ("or" and)*
                and    = not ("and" not)*
                not    = "not" not | comparison
    comparison         = sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*
    number      sum    = product (("+" | "-") product)*
                product = sign (("*" | "/") sign)*
                sign   = "-" sign | atom
                atom   = NUMBER | NAME | "(" or ")" | ("abs" | "min" | "max") "(" sum ("," sum)* ")"

NAME is ``metrics.NAME``, a metric of the version; ``current.metrics.NAME``, that of the
version in the stage; or ``current``, which is the one metric that its comparison
names, as the version in the stage has it. A name with other signs is quoted,
``metrics."val/auc"``, and may end in ``.last`` (which is meant without), ``.min``, ``.max``,
``.step`` or ``.count``. Numbers are taken as they are written, in decimals, so that
0.3 - 0.1 >= 0.2 holds.
"""
