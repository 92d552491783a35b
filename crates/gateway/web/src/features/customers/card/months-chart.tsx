import { Bar, BarChart, CartesianGrid, ReferenceLine, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import type { MonthFigures } from '~/shared/api/types';
import { approximate } from '~/shared/lib/money';
import { useFormat } from '~/shared/lib/use-format';
import classes from './months-chart.module.css';

type Props = { months: MonthFigures[]; currency: string };

/** Twelve months of net sales as bars. Hidden from readers: the table beside it says the same in words. */
export default function MonthsChart({ months, currency }: Props) {
  const format = useFormat();
  const data = months.map(({ month, net = { minor: '0', currency } }) => ({
    month,
    // For the height of the bar only; what is shown is formatted from the exact amount.
    height: approximate(net),
    exact: format.money(net),
  }));
  const tick = { fill: 'var(--mantine-color-dimmed)', fontSize: 11 };
  return (
    <div className={classes.chart} aria-hidden>
      <ResponsiveContainer width="100%" height={220}>
        <BarChart data={data} accessibilityLayer={false} margin={{ top: 8, right: 0, bottom: 0, left: 0 }}>
          <CartesianGrid vertical={false} stroke="var(--chart-grid)" />
          <XAxis
            dataKey="month"
            tickFormatter={(month: string) => format.month(month)}
            tickLine={false}
            axisLine={false}
            tick={tick}
            interval="preserveStartEnd"
            minTickGap={6}
          />
          <YAxis tickFormatter={format.compact} tickLine={false} axisLine={false} tick={tick} width={48} />
          <ReferenceLine y={0} stroke="var(--edge-strong)" />
          <Tooltip
            cursor={{ fill: 'var(--surface-hover)' }}
            isAnimationActive={false}
            content={({ payload }) => {
              const point: (typeof data)[number] | undefined = payload?.[0]?.payload;
              if (!point) return null;
              return (
                <div className={classes.tip}>
                  {format.month(point.month, 'long')}
                  <strong>{point.exact}</strong>
                </div>
              );
            }}
          />
          <Bar
            dataKey="height"
            fill="var(--chart-bar)"
            radius={[3, 3, 0, 0]}
            maxBarSize={34}
            isAnimationActive={false}
          />
        </BarChart>
      </ResponsiveContainer>
    </div>
  );
}
