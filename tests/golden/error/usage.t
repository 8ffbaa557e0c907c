# cmd: run - --nosuch
# expect
error: there is no option `--nosuch` [usage]
  hint: see `qjit help`
exit 2
