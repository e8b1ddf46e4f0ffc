# Stages of a run.sh, between its options stage and stop_stage; to be sourced after parse_options.sh.

fail() {
    echo "$0: $*" >&2
    exit 2
}

runs() { # whether stage $1 is to run
    [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]
}

check_stages() { # check_stages FIRST LAST: both options must be among these
    local number
    for number in "$stage" "$stop_stage"; do
        [[ $number =~ ^-?[0-9]$ ]] && [ "$number" -ge "$1" ] && [ "$number" -le "$2" ] ||
            fail "stages are numbers from $1 to $2, got $number"
    done
    [ "$stage" -le "$stop_stage" ] ||
        fail "stop_stage must not be before stage $stage, got $stop_stage"
}
