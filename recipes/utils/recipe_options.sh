# The options that every recipe with recipe.sh has; to be sourced before its own.
stage=0           # first stage: -1 download, 0 prepare, 1 train, 2 separate and evaluate, 3 publish
stop_stage=3      # last stage
tag=default       # the experiment is in exp/<tag>; run again, it goes on where it stopped
id=$CUDA_VISIBLE_DEVICES # GPUs; with several, stage 1 trains one prior on each
python_path=python # Python with this package
conf=local/conf.yml # configuration; exp/<tag>/conf.yml is what was used
set=              # changes to it: "training.n_steps=2000 separation.solver=auto"
n_jobs=1          # processes that prepare the data
data_dir=data     # what stage 0 makes

url=              # what stage -1 fetches, from elsewhere
checksum=         # ... with this checksum, "md5:..." or "sha256:..."

sources=          # priors that stage 1 trains, "drums,bass"; all that are prepared by default

system=           # stage 2 trains and evaluates another system: nmf, conv-tasnet, ... (docs/baselines.md)
system_set=       # with other arguments than its authors': "n_steps=2000 model.channels=16"

repo_id=          # "user/name" on the Hugging Face Hub
push=false        # true: stage 3 sends the separator there; false: it only makes publish_dir/
private=false     # true: for you alone

