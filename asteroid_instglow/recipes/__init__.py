"""What the stages of the recipes do once the data are prepared: train, evaluate, publish.

<exp>/priors/<source>/        a prior: its weights, training.json, checkpoints/, logs/
<exp>/checkpoints/<source>/   links to these checkpoints
<exp>/best_model.pth          the separator of all priors, as ``torch.save(separator.serialize())``
<exp>/estimates/<track>/      what it makes of the test set
<exp>/scores/                 scores of every track, aggregate.json, boxplot.png
<exp>/final_metrics.json      the numbers of the tables
<exp>/all_metrics.csv         one line per protocol, track and source
<exp>/examples/<track>/       excerpts to listen to
<exp>/publish_dir/            what goes to the Hub

Each stage is a module of its own: only the training waits for Lightning to load.
"""
