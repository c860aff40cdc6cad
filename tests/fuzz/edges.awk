# awk -v root=DIRECTORY/ [-v wanted=PERCENT] [-v unreached=FILE] -f edges.awk parsers.txt TARGET.coverage...: of libFuzzer's
# -print_coverage=1, which edges of the parsers' files all targets together reach. Fails below what is wanted.
#
#   COVERED_FUNC: hits: 45 edges: 6/8 NAME FILE:LINE
#     UNCOVERED_PC: FILE:LINE                          for each edge that is not reached; two may share a line
#
# Of a line with several edges the target counts that misses fewest, which is less than all of them together. A function
# that no target calls reads nothing of a stranger's: it is named, and does not count.
FNR == NR {
  if ($0 !~ /^#/) parsers[$1] = 1
  next
}
/^(UN)?COVERED_FUNC:/ {
  name = ""
  file = $NF
  sub(/:[0-9]+$/, "", file)
  sub(root, "", file)
  if (!(file in parsers)) next
  split($5, edges, "/")
  of[file ":" $6] = edges[2]
  if ($1 == "COVERED_FUNC:") {
    name = file ":" $6
    target = ++callers[name]
  }
}
name != "" && $1 == "UNCOVERED_PC:" {
  line = $2
  sub(/.*:/, "", line)
  if (target == 1 && !((name, 1, line) in missed)) lines[name] = lines[name] " " line
  missed[name, target, line]++
}
function reached(name, count, n, i, line, least, target) {
  count = of[name]
  n = split(lines[name], line, " ")
  for (i = 1; i <= n; i++) {
    least = missed[name, 1, line[i]]
    for (target = 2; target <= callers[name]; target++)
      if (missed[name, target, line[i]] + 0 < least) least = missed[name, target, line[i]] + 0
    if (least > 0 && unreached != "") print substr(name, 1, index(name, ":")) line[i] ": " least " in " substr(name, index(name, ":") + 1) | "sort -t : -k 1,1 -k 2,2n >" unreached
    count -= least
  }
  return count
}
END {
  for (name in of) {
    if (!(name in callers)) { uncalled = uncalled " " name; continue }
    file = name
    sub(/:.*/, "", file)
    here = reached(name)
    files_of[file] += of[name]
    files_reached[file] += here
    all_of += of[name]
    all_reached += here
  }
  percent = all_of == 0 ? 0 : 100 * all_reached / all_of
  if (wanted == "") {
    printf "%6.1f %%  %5d of %5d edges of the parsers, by the seeds alone\n", percent, all_reached, all_of
    exit 0
  }
  for (file in parsers) if (wanted > 0 && !(file in files_of)) { print file ": no target reaches it"; lost = 1 }
  for (file in files_of) printf "%6.1f %%  %5d of %5d edges  %s\n", 100 * files_reached[file] / files_of[file], files_reached[file], files_of[file], file | "sort -n"
  close("sort -n")
  print "not called:" uncalled
  printf "%6.1f %%  %5d of %5d edges of the parsers, expected at least %d %%\n", percent, all_reached, all_of, wanted
  exit (percent < wanted || lost)
}
