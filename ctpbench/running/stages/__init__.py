"""The five stages of work, a module each: data -> reference, data -> model -> prediction, all -> scores.

The function ``run`` of each works in a worker, which runs no stranger's code: what does, it has done by a guest, and
checks. It reads only the files that it is handed, writes into the job's ``out`` and returns what it measured. A guest
that runs a method is handed observations only; the truth is opened by `reference`, which runs no component, and handed
to the guest of `scores`, and to that of `model` where the method declares that it learns from clean.
A stage imports no other, so that an edit of one makes nothing of the others stale.
"""
