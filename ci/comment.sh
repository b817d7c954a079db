#!/usr/bin/env bash
# Put build/gate.md on the pull request (GitHub, by `gh`) or merge request (GitLab, by curl), in one comment that every
# run rewrites. GitHub: $GH_TOKEN, $PULL_REQUEST (its number). GitLab: $GITLAB_TOKEN, a token with the scope `api`.
set -euo pipefail
cd "$(dirname "$0")/.."
body=build/gate.md
if [ ! -f "$body" ]; then
    echo "There is no $body to comment with."
    exit 0
fi
marker=$(head -n 1 "$body")

github() {
    local comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments" ours
    ours=$(gh api --paginate "$comments" --jq ".[] | select(.body | startswith(\"$marker\")) | .id")
    if [ -n "$ours" ]; then
        gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/${ours%%$'\n'*}" --field "body=@$body"
    else
        gh api --silent --method POST "$comments" --field "body=@$body"
    fi
}

gitlab() {
    local notes="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes" ours
    local request=(curl --fail --silent --show-error --header "PRIVATE-TOKEN: $GITLAB_TOKEN")
    local find='import json, sys; print(*[n["id"] for n in json.load(sys.stdin) if n["body"].startswith(sys.argv[1])])'
    ours=$("${request[@]}" "$notes?per_page=100" | .venv/bin/python -c "$find" "$marker")
    if [ -n "$ours" ]; then
        "${request[@]}" --output /dev/null --request PUT --data-urlencode "body@$body" "$notes/${ours%% *}"
    else
        "${request[@]}" --output /dev/null --request POST --data-urlencode "body@$body" "$notes"
    fi
}

if [ -n "${GITHUB_REPOSITORY:-}" ]; then
    cat "$body" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
    github
elif [ -n "${CI_MERGE_REQUEST_IID:-}" ]; then
    gitlab
else
    echo "Neither a pull request of GitHub nor a merge request of GitLab."
fi
