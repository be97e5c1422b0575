#!/usr/bin/env bash
# What every pipeline of this folder runs: the CI files call this script and nothing else, and the tests run it.
#
#   run.sh plan [REV]         plan the intents; what did not change since revision REV is left as it stands
#   run.sh comment            write or update the comment on the pull request (GitHub) or merge request (GitLab)
#   run.sh apply [REV]        carry out the plan that was reviewed, or, without one, what the intents ask for now
#   run.sh drift              exit 5 where what stands is not what was applied
#   run.sh render [--check]   write what would be handed to the world into a folder; --check exits 2 where it differs
#   run.sh publish [BRANCH]   render into a branch of the remote, with nothing else in it (default: rendered)
#
# Exit codes are those of aios; only `plan` exits 0 also where there are changes, as that is no failure of a pipeline.
# Set by the environment, each with a default:
#   AIOS_INTENTS   folder of the intents          AIOS_STATE     state file, on the machine that applies
#   AIOS_FLEET     fleet file                     AIOS_OUT       folder for the plan and the comment
#   AIOS_RENDERED  folder that is rendered into
set -euo pipefail

intents=${AIOS_INTENTS:-intents}
fleet=${AIOS_FLEET:-fleet.yaml}
state=${AIOS_STATE:-.aios/state.json}
out=${AIOS_OUT:-aios-plan}
rendered=${AIOS_RENDERED:-rendered}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Plans into folder $1, of what changed since revision $2 if there is one. Exits as aios does: 2 where there are changes.
plan_into() {
  local since=()
  if [ -n "${2-}" ]; then since=(--changed-since="$2"); fi
  mkdir -p "$1"
  rm -f "$1/plan.json" "$1/view.json" "$1/comment.md"
  aios plan "$intents" --fleet "$fleet" --state "$state" "${since[@]}" --detailed-exitcode \
    -o "$1/plan.json" --json-into "$1/view.json" --markdown-into "$1/comment.md"
}

plan() {
  local code=0
  plan_into "$out" "${1-}" || code=$?
  case $code in 0 | 2) return 0 ;; *) return "$code" ;; esac # 3: nothing fits, and the comment says why
}

comment() {
  python3 "$here/comment.py" "$out/comment.md"
}

# Says whether the plans in two folders decide and do the same, whatever else changed since the first was made.
same_change() {
  aios diff "$1/plan.json" "$2/plan.json" --json |
    python3 -c 'import json, sys; d = json.load(sys.stdin); sys.exit(any(d[k] for k in ("status", "goals", "intents")))'
}

apply() {
  local code=0
  if [ -f "$out/plan.json" ]; then
    aios apply "$out/plan.json" || code=$?
    if [ "$code" -ne 4 ]; then return "$code"; fi
    echo "the reviewed plan is stale: planning again, to apply that only where it is the change that was reviewed" >&2
  fi
  local again=$out/again
  code=0
  plan_into "$again" "${1-}" || code=$?
  case $code in
  0) return 0 ;; # what stands is what the intents ask for, such as when this job is run once more
  2) ;;
  *) return "$code" ;;
  esac
  if [ -f "$out/plan.json" ] && ! same_change "$out" "$again"; then
    echo "what would be done now is not what was reviewed: open another pull request, or remove $out/plan.json" >&2
    return 4
  fi
  aios apply "$again/plan.json"
}

drift() {
  aios drift --state "$state"
}

render() {
  aios render "$intents" --fleet "$fleet" --state "$state" --into "$rendered" "$@"
}

# Commits to the branch only where something changed. The folder kubernetes/ holds the same as ConfigMaps.
publish() {
  local branch=${1:-rendered} tree
  tree=$(mktemp -d)
  if git fetch --quiet --depth=1 origin "$branch" 2>/dev/null; then
    git worktree add --quiet --force --detach "$tree" FETCH_HEAD
  else
    git worktree add --quiet --force --detach "$tree" "$(git commit-tree "$(git mktree </dev/null)" -m "Nothing yet")"
  fi
  trap "git worktree remove --force '$tree'" EXIT # however this ends
  rendered=$tree
  render
  mkdir -p "$tree/kubernetes"
  python3 "$here/configmaps.py" "$tree" >"$tree/kubernetes/configmaps.yaml"
  git -C "$tree" add -A
  if ! git -C "$tree" diff --cached --quiet; then
    git -C "$tree" commit --quiet --message "Rendered from $(git rev-parse HEAD)"
    git push --quiet origin "$(git -C "$tree" rev-parse HEAD):refs/heads/$branch"
  fi
}

command=${1-}
case $command in
plan | comment | apply | drift | render | publish)
  shift
  "$command" "$@"
  ;;
*)
  sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2
  exit 64
  ;;
esac
