"""The figures of a bench as a small picture: CPU a call and a stream, as bars beside each other."""

from xml.sax.saxutils import escape

from tests.bench.figures import FLOOR, SHAPES, Result

WIDTH, BAR, GAP, LEFT, RIGHT = 640, 20, 6, 110, 150
COLORS = ("#9aa5b1", "#2f6fb0", "#4f8ac0", "#7aa9d0", "#c08a3e")


def picture(result: Result) -> str:
    """An SVG document of 640 pixels' width. Shorter bars are better."""
    shapes = [shape.name for shape in SHAPES if shape.connections > 1]
    parts: list[str] = []
    y = 24
    for shape in shapes:
        parts.append(f'<text x="8" y="{y}" font-weight="bold">{escape(shape)}: CPU us a call</text>')
        y += 10
        costs = {name: figures.cpu_us(shape) for name, figures in result.servers.items()}
        longest = max(costs.values())
        for color, (name, cost) in zip(COLORS, costs.items(), strict=False):
            width = cost / longest * (WIDTH - LEFT - RIGHT)
            label = f"{cost:.0f} us ({cost / costs[FLOOR]:.2f} of the floor)"
            parts += [
                f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
                f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{color}"/>',
                f'<text x="{LEFT + width + 6:.1f}" y="{y + 15}">{label}</text>',
            ]
            y += BAR + GAP
        y += 24
    said = (
        f"{result.at:%Y-%m-%d}, Python {result.python}, {result.cores} cores, one worker; "
        "all processes but Postgres; shorter is better"
    )
    parts.append(f'<text x="8" y="{y}" fill="#667">{escape(said)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 12}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
