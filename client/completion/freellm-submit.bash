# shellcheck shell=bash
# Completion of freellm-submit for bash.
_freellm_submit()
{
	local cur prev
	# shellcheck disable=SC2034 # _init_completion sets them
	local words cword
	local all='--model --system --messages --file --param --max-tokens --temperature --json --no-stream
		--cache --ttl --class --deadline --reasoning --verbose --quiet --socket --help --version'
	if declare -F _init_completion >/dev/null; then
		_init_completion -n = || return
	else
		cur=${COMP_WORDS[COMP_CWORD]}
		prev=${COMP_WORDS[COMP_CWORD - 1]}
	fi
	case $prev in
	--cache)
		mapfile -t COMPREPLY < <(compgen -W 'use refresh only off' -- "$cur")
		return
		;;
	--class)
		mapfile -t COMPREPLY < <(compgen -W 'interactive normal batch' -- "$cur")
		return
		;;
	--file | --messages | --socket)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-m | --model | --system | --param | --max-tokens | --temperature | --ttl | --deadline)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$all" -- "$cur")
	fi
}
complete -F _freellm_submit freellm-submit
