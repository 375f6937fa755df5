"""Words by which people name the columns and groups of their tables, in the languages that sim is used in."""

from __future__ import annotations

_WORDS = """
ARMS arm variant group treatment treated condition cohort experiment bucket gruppe grupo brazo
ARMS 组 组别 分组 กลุ่ม
CONTROLS control controls ctrl kontroll kontrolle kontrollgruppe a 0 none no false off before baseline old
CONTROLS human placebo holdout untreated existing standard today vanlig menneske
CONTROLS 对照 对照组 ควบคุม กลุ่มควบคุม
TREATED treated treatment test variant b 1 on true yes new bot chatbot ai after
TREATED 实验组 处理组 ทดลอง กลุ่มทดลอง
SEGMENTS segment country region channel band tier plan market city state site device category language
SEGMENTS product land país región contract source type 国家 地区 渠道 ประเทศ ภูมิภาค
OBSERVED agent store clinic school branch team office shop doctor adviser advisor household 门店 ร้าน butikk
PERIODS month week day date period monat woche uke måned semana mes quarter 月 周 เดือน สัปดาห์
STARTS start started joined signup signed created begin from registered opened inn startdato 开始
ENDS end ended left churned cancelled canceled closed until to terminated quit slutt sluttdato 结束
ENTRIES entry enrolled enrolment entered assigned
EVENTS converted conversion conversions order ordered purchase purchased bought buy buyer click clicked
EVENTS success successes resolved response responded donated gave gavedum outcome won paid payer
EVENTS signup subscribed visited opened sold lead accepted cured kjøpt bestilt 购买 转化 成功 ซื้อ
LEFT churn churned left cancelled canceled quit lost attrition
MONEY revenue amount amountgive spend spent sale turnover price basket omsetning beløp inntekt
MONEY 收入 金额 รายได้
SECOND second seconds sec secs duration length
MINUTE minute minutes min mins
HOUR hour hours hrs
DAY day days
COSTS cost expense handle handling effort workload kostnad 成本 ต้นทุน
COUNTED contact event ticket call complaint incident return purchase order visit login
BURDEN contact ticket call complaint incident return
EXPOSURE exposure month months day days week weeks hour hours year years
ANSWERS rating score answer csat nps stars satisfaction grade 评分 คะแนน
TENURE tenure tenures lifetime
TRIALS trial visitor session customer user contact visit impression sent delivered email mail cart request
TRIALS call case people person n count total 访客 会话 客户 ผู้เข้าชม ลูกค้า besøk økter kunder
TOOLS bot ai chatbot assistant automated automatically robot
IDS id number no nr key code index rownames postcode zip year
RESOLVED resolved deflected
MEAN mean avg average
SD sd std stdev stddev
"""


def _read() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for line in _WORDS.strip().splitlines():
        kind, *words = line.split()
        found.setdefault(kind, set()).update(words)
    return {kind: frozenset(words) for kind, words in found.items()}


WORDS = _read()
"""Kind of thing to the words for it, in small letters."""
