"""What a person can ask for, one verb a module: each calls the stages in order.

A verb's module holds the public function of its name, so it is imported from there: `laden.verbs.load.load`.
"""
