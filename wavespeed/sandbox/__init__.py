"""WaveSpeed, offline: its REST API on a loopback socket, with simple filters for the model.

    with serve(Sandbox()) as url:  # or: python -m wavespeed.sandbox --port 8765
        ...  # any client of the service, with any key but `invalid`

`Sandbox(model="owner/name/edit")` answers for another model, with the same filters.

The words of the prompt choose the filters (`prompt.EFFECTS`), in the order they stand. A prompt
that says none of them gets a mild grade. Further images lend the first one their palette, or are
joined with it where the prompt says collage, combine or side by side. Every output carries the
word "sandbox".

Anywhere in a prompt, these try the unhappy ways, like the test cards of a payment provider:

    [[nsfw]]        completes, and flags its (harmless) picture
    [[moderated]]   refused at submission: HTTP 400, code 1200
    [[nocredit]]    refused at submission: HTTP 402, code 1407
    [[outage]]      refused at submission: HTTP 503
    [[ratelimit]]   HTTP 429 twice, `Retry-After: 2`; the third submission of that prompt works
    [[fail]]        the task fails: code 1405
    [[slow]]        takes 20 s
    [[stuck]]       never ends

For tests, `Sandbox.fail` puts a `Fault` in the way of an operation, `Sandbox.calls` gives the
journal as `Call`s, headers included, and `Sandbox.unmet` the faults that nothing has met.

What it does not do: webhooks are accepted and never sent; there is no quota, no limit on how many
tasks run at once, and no second model; keys are not told apart, all share one account, which tops
itself up; nothing is kept on disk, and what is old goes by room, not after seven days; tickets do
not expire; only JPEG and PNG are read; captions are in Latin letters; rotations are quarter turns.
"""

from .faults import Call, Fault
from .server import serve
from .tasks import Sandbox

__all__ = ["Call", "Fault", "Sandbox", "serve"]
