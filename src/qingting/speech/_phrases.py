"""Phrases recognisers invent or repeat, as data: written without punctuation, lower case, simplified and traditional.

Whisper was trained on subtitles of videos: over silence, tones and music it writes what
such videos end with.
"""

from __future__ import annotations

PROMPTS = ("以下是普通话的句子", "以下是普通話的句子")
"""Prompts our engines use, and their usual variants."""

ALWAYS_INVENTED = (
    "请不吝点赞订阅转发打赏支持明镜与点点栏目",
    "請不吝點贊訂閱轉發打賞支持明鏡與點點欄目",
    "请不吝点赞订阅转发打赏支持明镜和点点栏目",
    "打赏支持明镜与点点栏目",
    "打賞支持明鏡與點點欄目",
    "明镜需要您的支持欢迎订阅明镜",
    "明鏡需要您的支持歡迎訂閱明鏡",
    "请不吝点赞订阅转发",
    "請不吝點贊訂閱轉發",
    "请点赞订阅转发",
    "欢迎订阅我的频道",
    "歡迎訂閱我的頻道",
    "请订阅我的频道",
    "請訂閱我的頻道",
    "记得点赞订阅",
    "喜欢的话请点赞订阅",
    "字幕由amaraorg社区提供",
    "字幕由amaraorg社區提供",
    "由amaraorg社区提供的字幕",
    "由amaraorg社區提供的字幕",
    "amaraorg社区提供",
    "中文字幕志愿者",
    "中文字幕志願者",
    "字幕志愿者李宗盛",
    "字幕志願者李宗盛",
    "字幕志愿者杨茜茜",
    "字幕志願者楊茜茜",
    "字幕志愿者",
    "字幕志願者",
    "字幕組",
    "字幕制作人",
    "字幕製作人",
    "字幕byseanzhang",
    "字幕提供者",
    "詞曲李宗盛",
    "词曲李宗盛",
    "作词李宗盛",
    "作詞李宗盛",
    "作曲李宗盛",
    "編曲李宗盛",
    "优优独播剧场yoyotelevisionseriesexclusive",
    "優優獨播劇場yoyotelevisionseriesexclusive",
    "yoyotelevisionseriesexclusive",
    "mingpaocanadamingpaotoronto",
    "本期视频就到这里",
    "我们下期视频再见",
    "我們下期視頻再見",
    "我们下期节目再见",
    "感谢您的观看",
    "感謝您的觀看",
    "感谢收看本期节目",
    "感謝收看本期節目",
    "感谢收听本期节目",
    "subtitlesbytheamaraorgcommunity",
    "thanksforwatching",
    "thankyouforwatching",
    "pleasesubscribetomychannel",
)
"""Cut wherever they stand: nobody says them in a service call. Longer ones first."""

INVENTED_WITHOUT_VOICE = frozenset(
    {
        "谢谢观看", "謝謝觀看", "谢谢大家", "謝謝大家", "谢谢收看", "謝謝收看", "谢谢收听", "感谢观看",
        "感謝觀看", "感谢收看", "谢谢", "謝謝", "谢谢你", "拜拜", "再见", "再見", "下期再见", "下次再见",
        "我们下期再见", "好", "嗯", "啊", "哦", "请订阅", "請訂閱", "订阅", "点赞", "点点点", "字幕", "完",
        "未完待续", "完结", "优优独播剧场", "thankyou", "thanks", "you", "bye", "byebye", "okay", "ok", "yeah",
    }
)  # fmt: skip
"""Invented only where hardly any voice is heard: as the whole text of an utterance."""
