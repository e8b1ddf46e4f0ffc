# Sets the variables of the script that sources this from its command line: --batch-size 4 or
# --batch_size=4 sets $batch_size, which the script must have set before (to its default).
# --help shows those defaults with their comments: the lines between "# Options" and this one, and
# those of recipe_options.sh where it is sourced among them.

_usage() {
    sed -n -e '/^# Options/,/parse_options/{/parse_options/d' \
        -e '/recipe_options/{r utils/recipe_options.sh' -e 'd}' -e 'p}' "$0"
}

while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help)
            _usage
            exit 0
            ;;
        --*=*)
            _name=${1%%=*}
            _value=${1#*=}
            shift
            ;;
        --*)
            _name=$1
            if [ $# -lt 2 ]; then
                echo "$0: $1 needs a value" >&2
                exit 2
            fi
            _value=$2
            shift 2
            ;;
        *)
            echo "$0: options begin with --, got $1 (see $0 --help)" >&2
            exit 2
            ;;
    esac
    _name=${_name#--}
    _name=${_name//-/_}
    if ! [[ $_name =~ ^[a-z][a-z0-9_]*$ ]] || [ -z "${!_name+set}" ]; then
        echo "$0: there is no option --$_name (see $0 --help)" >&2
        exit 2
    fi
    printf -v "$_name" %s "$_value"
done
unset _name _value
