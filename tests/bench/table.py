"""The figures on their way to a person, and to a file."""
import statistics


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def shown(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Table:
    def __init__(self):
        self.notes, self.sections, self.targets = [], [], []

    def note(self, text):
        self.notes.append(text)
        print(text)

    def section(self, title, columns, rows, raw=None):
        """rows: [name, value...]; printed at once."""
        self.sections.append({"title": title, "columns": columns, "rows": rows, "raw": raw})
        cells = [["", *columns]] + [[row[0], *map(shown, row[1:])] for row in rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        print(f"\n{title}")
        for row in cells:
            line = "  ".join(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
            print(f"  {row[0].ljust(widths[0])}  {line}".rstrip())

    def target(self, name, value, bound, unit, at_least=False, baseline=None):
        """One promised figure. `baseline` is (name, value) of what it is compared with."""
        if value is None or bound is None:
            met = None
        else:
            met = value >= bound if at_least else value <= bound
        ratio = value / bound if met is not None and bound else None
        times = value / baseline[1] if baseline and baseline[1] and value is not None else None
        self.targets.append({"name": name, "value": value, "unit": unit, "target": bound, "at_least": at_least,
                             "of_target": ratio, "baseline": baseline and baseline[0],
                             "of_baseline": times, "met": met})

    def show_misses(self):
        print()
        rows = []
        for t in self.targets:
            sign = ">=" if t["at_least"] else "<="
            rows.append([t["name"], f"{shown(t['value'])} {t['unit']}", f"{sign} {shown(t['target'])}",
                         shown(t["of_target"]), f"{shown(t['of_baseline'])} x {t['baseline']}" if t["of_baseline"] else "",
                         {True: "met", False: "MISSED", None: "not measured"}[t["met"]]])
        self.section("Targets", ["measured", "target", "of target", "compared", ""], rows)

    def as_json(self):
        return {"notes": self.notes, "sections": self.sections[:-1], "targets": self.targets}
