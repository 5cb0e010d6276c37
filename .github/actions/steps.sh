# What the steps of the actions beside it share; sourced, never run.
# shellcheck shell=bash
set -euo pipefail

# install_gitml REQUIREMENT: gitml in an environment of its own, first on the path of this
# step and of those after it. "." is the repository that the action was taken from, at the
# commit that "uses" names. Nothing is installed for an empty REQUIREMENT: the runner has
# gitml then. Python is started with -I, or it would import a module that a request brings.
install_gitml() {
  local place=$RUNNER_TEMP/gitml python=${GITML_PYTHON:-python3}
  if [ -n "$1" ]; then
    "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
      fail "gitml needs Python 3.11 or later on the runner."
    if [ "$1" = . ]; then set -- "$(cd "$GITHUB_ACTION_PATH/../../.." && pwd)"; fi
    "$python" -I -m venv "$place"
    "$place/bin/python" -I -m pip install --quiet --no-input --disable-pip-version-check -- "$1"
    PATH=$place/bin:$PATH
    printf '%s\n' "$place/bin" >>"$GITHUB_PATH"
  fi
  gitml --version
}

# fail SENTENCE: the sentence stands at the top of the run's page.
fail() {
  printf '::error::%s\n' "$1"
  exit 1
}

# as_text COMMAND...: what it prints is text for people. Names and reasons are of whoever
# may push, and a runner obeys lines with ::add-mask:: or ##[set-output …] in them. Both
# streams become one: a line of another stream could be read before or after.
# https://docs.github.com/actions/reference/workflow-commands-for-github-actions
as_text() {
  local end code=0
  end=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '::stop-commands::%s\n' "$end"
  "$@" 2>&1 || code=$?
  printf '\n::%s::\n' "$end"
  return "$code"
}

# setting KEY VALUE: configuration of git for this step alone; nothing is written.
setting() {
  local n=${GIT_CONFIG_COUNT:-0}
  export "GIT_CONFIG_KEY_$n=$1" "GIT_CONFIG_VALUE_$n=$2" GIT_CONFIG_COUNT=$((n + 1))
}

# identity: who writes tags, where the runner's git does not say.
identity() {
  if [ -z "${GIT_AUTHOR_EMAIL:-}" ] && ! git config user.email >/dev/null; then
    export GIT_AUTHOR_NAME='github-actions[bot]' GIT_COMMITTER_NAME='github-actions[bot]'
    export GIT_AUTHOR_EMAIL='41898282+github-actions[bot]@users.noreply.github.com'
    export GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
  fi
}

# sign_in: git asks the variable GH_TOKEN for its password, for this host and step.
sign_in() {
  [ -n "${GH_TOKEN:-}" ] || return 0
  setting "credential.$GITHUB_SERVER_URL.helper" ''
  # shellcheck disable=SC2016 # git's shell expands it
  setting "credential.$GITHUB_SERVER_URL.helper" \
    '!f() { test "$1" = get && printf "username=x-access-token\npassword=%s\n" "$GH_TOKEN"; }; f'
}

# fetch_history REFSPEC...: with all of their history, also into a checkout of depth 1.
fetch_history() {
  local deepen=
  if [ "$(git rev-parse --is-shallow-repository)" = true ]; then deepen=--unshallow; fi
  git fetch --quiet --no-tags --no-recurse-submodules --no-write-fetch-head $deepen origin "$@"
}
