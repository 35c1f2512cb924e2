# What the scripts in bash begin with: . "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# The working directory is the root of the tree from then on; --help, as the first argument, prints the
# comment at the head of the script, and is all that is done.

case "${1:-}" in
-h | --help)
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[1]}"
  exit 0
  ;;
esac
script=${BASH_SOURCE[1]##*/}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# refuse SENTENCE: says what is wrong with the arguments, and ends the script.
refuse() {
  echo "scripts/$script: $1; see scripts/$script --help" >&2
  exit 2
}

# number TEXT: refuses what is no whole number.
number() {
  [[ $1 =~ ^[0-9]{1,19}$ ]] || refuse "'$1' is not a number"
}

# numbers MOST ARGUMENT...: refuses more than MOST arguments, and those that are no whole numbers. An
# empty one stands for what is so by default.
numbers() {
  local most=$1 argument
  shift
  [ $# -le "$most" ] || refuse "'${*:most+1:1}' is one argument too many"
  for argument in "$@"; do
    [ -z "$argument" ] || number "$argument"
  done
}

# scratch VARIABLE PARENT: has what runs from now on make its temporary directories in one below PARENT,
# which VARIABLE names. It goes when all of that has ended, be it by kill -9, but for what a test that
# failed has put aside there.
scratch() {
  local directory held
  directory=$(mktemp -d "$2/respcask-$script-XXXXXX")
  chmod 711 "$directory" # some servers run as another user
  export "$1=$directory"
  # Whatever runs holds the other end of this pipe.
  exec {held}> >(
    trap '' INT TERM HUP
    exec >/dev/null 2>&1
    cat
    find "$directory" -mindepth 1 -maxdepth 1 ! -name 'respcask-crash-*' ! -name 'respcask-linear-*' \
      -exec rm -rf {} +
    rmdir "$directory"
  )
}
